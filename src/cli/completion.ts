import type { Command } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import type { Io } from "./io.ts";

/** What can follow each command, by its words: `phases` → its subcommands and flags. */
function wordsByCommand(command: Command, path: string[] = []): Map<string, string[]> {
  const flags = command.options.flatMap((option) =>
    [option.long, option.short].filter((flag) => flag !== undefined && flag !== null),
  );
  const words = new Map([
    [path.join(" "), [...command.commands.map((sub) => sub.name()), ...(flags as string[]), "--help"]],
  ]);
  for (const sub of command.commands)
    for (const [key, value] of wordsByCommand(sub, [...path, sub.name()])) words.set(key, value);
  return words;
}

/** `nodelet completion bash|zsh|fish`: a script to source. @throws UsageError for another shell */
export function completion(io: Io, { program, shell }: { program: Command; shell: string }): number {
  const words = wordsByCommand(program);
  const scripts: Record<string, () => string> = {
    bash: () => bash(words),
    zsh: () => `autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`,
    fish: () => fish(words),
  };
  const script = scripts[shell];
  if (!script) throw new UsageError(`Cannot complete for the shell "${shell}"; expected bash, zsh or fish`);
  io.out(script());
  return ExitCode.ok;
}

function bash(words: ReadonlyMap<string, string[]>): string {
  const cases = [...words].map(([path, next]) => `    "${path}") next="${next.join(" ")}" ;;`);
  return `_nodelet() {
  local path="" word next=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$next" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _nodelet nodelet nodeletd
`;
}

function fish(words: ReadonlyMap<string, string[]>): string {
  const lines = [...words].flatMap(([path, next]) => {
    const seen =
      path === ""
        ? "__fish_use_subcommand"
        : path
            .split(" ")
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join("; and ");
    return [`complete -c nodelet -n '${seen}' -f -a '${next.join(" ")}'`];
  });
  return `${lines.join("\n")}\n`;
}
