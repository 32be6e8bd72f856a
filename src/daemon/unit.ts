import { paths } from "../paths.ts";

/** The name of the daemon's unit. */
export const DAEMON_UNIT = "pf9-nodeletd.service";

/**
 * The text of `pf9-nodeletd.service`. Kernel settings, /etc and /var stay writable, since putting them right is what the
 * daemon is for; everything that it never needs is taken away.
 *
 * @see systemd.exec(5), systemd.service(5)
 */
export function renderDaemonUnit(): string {
  return `[Unit]
Description=nodelet daemon: keeps this Kubernetes node as declared
After=network-online.target docker.service pf9-docker.service
Wants=network-online.target
# However often it fails, it is started again.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=${paths.program} daemon
Restart=always
RestartSec=1
WatchdogSec=60
# First only the daemon, which lets its worker come to a safe point.
KillMode=mixed
TimeoutStopSec=90
RuntimeDirectory=nodelet
RuntimeDirectoryMode=0700
# Word that the kubelet's unit left while the daemon was away.
RuntimeDirectoryPreserve=restart
UMask=0077
# The daemon makes the cgroup of the status checks below its own.
Delegate=yes
OOMScoreAdjust=-900
# A runtime that is told so by its environment would run other people's code.
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN NODE_OPTIONS LD_PRELOAD
NoNewPrivileges=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectClock=yes
ProtectKernelLogs=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictNamespaces=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK

[Install]
WantedBy=multi-user.target
`;
}
