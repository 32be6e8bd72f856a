import type { NodeStatus } from "./status-look.ts";

/** As wide as a terminal surely is. */
const WIDTH = 80;

/** Where the values begin. */
const INDENT = 15;

/** As many events as a person wants to see. */
const EVENTS = 5;

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
    ...found.wrong.map((one) => item(`${one.status}: ${one.id} (${one.title}): ${one.message}`)),
    field("Held", heldWords(found)),
    field("Changed", found.drift.map(({ kind, key }) => `${kind} ${key}`).join(", ")),
    field("Now", nowWords(found)),
    field("Attempts", attemptsWords(found, now)),
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

function phasesWords({ phases, wrong, held, heldBack, state }: NodeStatus): string {
  if (state === "stopped" && held.length === 0) return "stopped, as kubeServiceState says";
  const alone = held.length + heldBack.length;
  const well = `${phases.length - wrong.length - alone} of ${phases.length} well`;
  return alone > 0 ? `${well}, ${alone} left alone` : well;
}

function heldWords({ phases, held, heldBack }: NodeStatus): string {
  if (held.length === 0) return "";
  if (held.length === phases.length) return "all phases, stopped by hand; start them: nodelet phases start";
  const needing = heldBack.length > 0 ? `; ${heldBack.length} more need them` : "";
  return `${held.join(", ")}: stopped by hand${needing}; start: nodelet phases start`;
}

function nowWords({ daemon, health }: NodeStatus): string {
  const task = daemon.running ? daemon.task : "";
  const current = health?.current_task ? `"${health.current_task}"` : "";
  return [task, current].filter(Boolean).join("; at ");
}

function attemptsWords({ health }: NodeStatus, now: number): string {
  if (!health) return "";
  const {
    pf9_kube_start_attempt: attempts,
    last_failed_status_check: check,
    last_failed_task: task,
  } = health;
  const since = age(now - health.last_failed_status_time * 1000);
  const words = [
    ...(check ? [`last failed check "${check}", ${since} ago`] : []),
    ...(task ? [`last failed task "${task}"`] : []),
  ];
  return attempts > 0 || words.length > 0 ? [String(attempts), ...words].join("; ") : "";
}

function configWords({ configProblems, configChanges }: NodeStatus): string {
  if (configProblems.length > 0)
    return `not valid, the one before stays in force: ${configProblems.join("; ")}`;
  return configChanges.length > 0 ? `not in force yet: ${configChanges.join("; ")}` : "";
}

function certificateWords({ certificates, certificateDaysLeft, certificateFirst }: NodeStatus): string {
  const bad = certificates.filter(({ status }) => status !== "ok");
  const problems = bad.map(({ name, status }) => `${name} ${status}`);
  const first =
    certificateFirst === null ? "none can be read" : `${certificateDaysLeft} days left (${certificateFirst})`;
  return [first, ...problems].join(", ");
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
    wrapped((at === 0 ? "Events:" : "").padEnd(INDENT) + `${since} ago`.padEnd(width), what),
  );
}

/** A time that has passed, in its greatest unit. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 120 * 60) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
