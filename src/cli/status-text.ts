import { removalWords } from "../daemon/removed.ts";
import type { NodeStatus } from "./status-look.ts";

/** As wide as a terminal surely is. */
const WIDTH = 80;

/** Where the values begin. */
const INDENT = 15;

/** As many events as a person wants to see. */
const EVENTS = 5;

/** Of more than this many things of a kind only the first are named. */
const NAMED = 3;

/** What a check or a task says may be long; its beginning tells, and kube.log has all of it. In characters. */
const LONGEST = 200;

/** How versions are called. */
const NAMES: Readonly<Record<string, string>> = {
  kubernetes: "Kubernetes",
  etcd: "etcd",
  coredns: "CoreDNS",
  cni: "CNI",
  docker: "Docker",
  kernel: "Linux",
};

/** Shows the status to a person. @param now epoch milliseconds, that ages are told by */
export function statusText(found: NodeStatus, now: number): string {
  const lines = [
    field("State", found.state),
    field("Node", `${found.node} (${found.ip}), ${found.role}`),
    field("Cluster", found.clusterId),
    field("Daemon", daemonWords(found, now)),
    field("Phases", phasesWords(found)),
    ...found.wrong.map((one) => item(`${one.status}: ${one.id} (${one.title}): ${clipped(one.message)}`)),
    field("Held", heldWords(found)),
    field("Changed", someOf(found.drift.map(({ kind, key }) => `${kind}${GLUE}${key}`))),
    field("Now", nowWords(found)),
    field("Attempts", String(found.health?.pf9_kube_start_attempt || "")),
    field("Last failed", failedWords(found, now)),
    field("Document", found.healthDamaged ? "damaged; the daemon writes it anew" : ""),
    field("Configuration", configWords(found)),
    field("Certificates", certificateWords(found)),
    field("Versions", versionWords(found.versions)),
    ...eventLines(found, now),
  ];
  return lines.join("");
}

/** A label and its value, on as many lines as it takes; nothing for an empty value. */
function field(label: string, value: string): string {
  if (value === "") return "";
  return wrapped(`${label}:`.padEnd(INDENT), value);
}

const item = (text: string) => wrapped("  ", text, 4);

/** A blank where no line is broken. */
const GLUE = "\u00a0";

/** Breaks a text between words; lines after the first begin below the text. */
function wrapped(head: string, text: string, indent = head.length): string {
  const lines: string[] = [];
  let line = head;
  for (const word of text.split(/[ \t\n]+/).filter(Boolean)) {
    const glue = line.trim() === "" || line === head ? "" : " ";
    if (glue && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = " ".repeat(indent) + word;
    } else line += glue + word;
  }
  return `${[...lines, line].join("\n")}\n`.replaceAll(GLUE, " ");
}

function daemonWords({ daemon }: NodeStatus, now: number): string {
  if (daemon.running) {
    const look = daemon.passMs === undefined ? "" : `; its last look took ${Math.round(daemon.passMs)} ms`;
    return `nodelet ${daemon.version}, running for ${age(now - daemon.startedAt)}${look}`;
  }
  if (daemon.silent) return `does not answer on its socket: ${daemon.silent}`;
  return "not running; start it: systemctl start pf9-nodeletd";
}

function phasesWords({ phases, held, state, removed }: NodeStatus): string {
  if (removed) return removalWords(removed);
  if (state === "stopped" && held.length === 0) return "stopped, as kubeServiceState says";
  const count = (...of: string[]) => phases.filter(({ status }) => of.includes(status)).length;
  const rest = [
    { count: count("held"), what: "left alone" },
    { count: count("executing"), what: "at work" },
    { count: count("unknown"), what: "did not answer" },
  ].flatMap((one) => (one.count > 0 ? [`${one.count} ${one.what}`] : []));
  return [`${count("running", "N/A")} of ${phases.length} well`, ...rest].join(", ");
}

function heldWords({ phases, held, heldBack }: NodeStatus): string {
  if (held.length === 0) return "";
  if (held.length === phases.length) return "all phases, stopped by hand; start them: nodelet phases start";
  const needing = heldBack.length > 0 ? `; ${heldBack.length} more need them` : "";
  return `${held.join(", ")}: stopped by hand${needing}; start: nodelet phases start`;
}

function nowWords({ daemon, health }: NodeStatus): string {
  const task = daemon.running ? clipped(daemon.task) : "";
  const current = health?.current_task ? `"${health.current_task}"` : "";
  return [task, current].filter(Boolean).join("; at ");
}

function failedWords({ health, configProblems }: NodeStatus, now: number): string {
  if (!health) return "";
  const { last_failed_status_check: check, last_failed_task: task } = health;
  const since = age(now - health.last_failed_status_time * 1000);
  return [
    ...(check ? [`check "${check}", ${since} ago`] : []),
    // What is wrong with the configuration stands in a line of its own.
    ...(task && configProblems.length === 0 ? [`task "${clipped(task)}"`] : []),
  ].join("; ");
}

function configWords({ configProblems, configChanges, desired }: NodeStatus): string {
  if (configProblems.length > 0)
    return `not valid, the one before stays in force: ${configProblems.join("; ")}`;
  // Nothing is started with any configuration then.
  if (desired === "false" || configChanges.length === 0) return "";
  return `not in force yet: ${configChanges.join("; ")}`;
}

function certificateWords({ certificates, certificateDaysLeft, certificateFirst }: NodeStatus): string {
  const bad = certificates.filter(({ status }) => status !== "ok");
  const first =
    certificateFirst === null ? "none can be read" : `${certificateDaysLeft} days left (${certificateFirst})`;
  const problems = someOf(bad.map(({ name, status }) => `${name}${GLUE}${status}`));
  return problems ? `${first}; ${problems}` : first;
}

function versionWords(versions: Readonly<Record<string, string>>): string {
  return Object.entries(versions)
    .map(([name, version]) => `${NAMES[name] ?? name}${GLUE}${version}`)
    .join(", ");
}

function eventLines({ events }: NodeStatus, now: number): string[] {
  const ages = events.slice(-EVENTS).map(({ at, what }) => ({ since: age(now - Date.parse(at)), what }));
  const width = Math.max(0, ...ages.map(({ since }) => since.length)) + 6;
  return ages.map(({ since, what }, at) =>
    wrapped((at === 0 ? "Events:" : "").padEnd(INDENT) + `${since} ago`.padEnd(width), clipped(what)),
  );
}

function clipped(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function someOf(names: readonly string[]): string {
  const more = names.length - NAMED;
  return more > 0 ? `${names.slice(0, NAMED).join(", ")} and ${more} more` : names.join(", ");
}

/** A time that has passed, in its greatest unit. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 120 * 60) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
