/** Where Debian has the programs. */
export const PROGRAMS = [
  "/usr/bin/containerd",
  "/usr/bin/containerd-shim-runc-v2",
  "/usr/bin/ctr",
  "/usr/bin/docker",
  "/usr/bin/docker-init",
  "/usr/bin/ip",
  "/usr/bin/kmod",
  "/usr/bin/socat",
  "/usr/sbin/conntrack",
  "/usr/sbin/docker-proxy",
  "/usr/sbin/dockerd",
  "/usr/sbin/ipset",
  "/usr/sbin/runc",
  "/usr/sbin/xtables-nft-multi",
] as const;

/** Names under which one program does the work of many. The plain names are of the nf_tables kind, as in Debian itself. */
export const FURTHER_NAMES: Record<string, readonly string[]> = {
  kmod: ["insmod", "lsmod", "modprobe", "rmmod"],
  "xtables-nft-multi": [
    "ebtables",
    "ebtables-restore",
    "ebtables-save",
    "ip6tables",
    "ip6tables-restore",
    "ip6tables-save",
    "iptables",
    "iptables-restore",
    "iptables-save",
  ],
};

/** Where Debian has the library that loads plugins of iptables, and the plugins. */
export const XTABLES = {
  library: "/usr/lib/x86_64-linux-gnu/libxtables.so.12",
  plugins: "/usr/lib/x86_64-linux-gnu/xtables",
} as const;

/**
 * Plugins that the rules of Kubernetes, network plugins, Docker and usual firewalls need. Every one is a file on the host,
 * so what is for routers and laboratories stays behind. All of ebtables' are here: it refuses to start without.
 */
export const PLUGIN_NAMES = {
  libxt: words(`
    CHECKSUM CLASSIFY CONNMARK CT DNAT DSCP LOG MARK MASQUERADE NAT NFLOG NFQUEUE NOTRACK REDIRECT SET SNAT TCPMSS TEE TPROXY TRACE
    addrtype bpf cgroup comment connbytes connlimit connmark conntrack devgroup dscp hashlimit helper iprange ipvs length limit
    mac mark multiport owner physdev pkttype policy quota recent rpfilter sctp set socket standard state statistic string tcp
    tcpmss time u32 udp`),
  libipt: words("NETMAP REJECT TTL icmp ttl"),
  libip6t: words("HL NETMAP REJECT frag hl icmp6 ipv6header rt"),
  libebt: words(`
    802_3 among arp arpreply dnat ip ip6 log mark mark_m nflog pkttype redirect snat stp vlan`),
} as const;

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
