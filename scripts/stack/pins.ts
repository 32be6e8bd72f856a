/**
 * Every input of the stack, in one place. What is listed here decides what the cache is keyed by: change a line, and only
 * what was made from it is built again. Where the files come from is the machine's own configuration of apt and Go.
 */

/** The name of the whole stack, as its index shows it. */
export const STACK_NAME = "kubernetes-1.20.2";

/** The registry part of every image reference: a name that no resolver knows, so nothing is ever pulled by accident. */
export const REGISTRY = "nodelet.local";

/** The Debian release that packages and sources are taken from. */
export const SUITE = "bookworm";

/** The source package with all of Kubernetes, vendored libraries included. */
export const KUBERNETES = {
  version: "v1.20.2",
  commit: "faecb196815e248d3ecfb03c680a4507229c2a56",
  package: "kubernetes",
  packageVersion: "1.20.5+really1.20.2-1.1+deb12u1",
  sha256: {
    "kubernetes_1.20.5+really1.20.2-1.1+deb12u1.dsc":
      "19fa1da5aefcef673894ac9511986bd98a14410cf8eea0b626613c30df435257",
    "kubernetes_1.20.5+really1.20.2.orig.tar.gz":
      "b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc",
    "kubernetes_1.20.5+really1.20.2-1.1+deb12u1.debian.tar.xz":
      "9b6e5fd41769d2b5badf2e73b274e3bcd90f85e13d06a1a4a845ccce018127d8",
  },
} as const;

/** The compiler: Kubernetes 1.20 does not build with much newer ones. */
export const GO = { package: "golang-1.19-go", version: "1.19.8", bin: "/usr/lib/go-1.19/bin" } as const;

/**
 * The vendored copy of this library reads the runtime's private type tables and crashes with Go 1.18 and up; Debian's
 * package has the release that does not.
 */
export const REFLECT2 = {
  package: "golang-github-modern-go-reflect2-dev",
  directory: "/usr/share/gocode/src/github.com/modern-go/reflect2",
} as const;

/** Binary packages whose programs are part of the stack. A rebuild without source changes (`+bN`) is accepted. */
export const ETCD = {
  version: "3.4.23",
  imageTag: "3.4.23-0",
  packages: { "etcd-server": "3.4.23-4", "etcd-client": "3.4.23-4" },
} as const;

/** The reference network plugins. */
export const CNI_PLUGINS = {
  version: "1.1.1",
  packages: { "containernetworking-plugins": "1.1.1+ds1-3" },
} as const;

/** The C library that dynamically linked programs in images need. */
export const LIBC_PACKAGES = ["libc6"] as const;

/** What kube-proxy calls, with every library of it: the image is these packages unpacked and nothing else. */
export const KUBE_PROXY_PACKAGES = [
  "conntrack",
  "ebtables",
  "ipset",
  "iptables",
  "kmod",
  "libc6",
  "libgcc-s1",
  "libip4tc2",
  "libip6tc2",
  "libipset13",
  "liblzma5",
  "libmnl0",
  "libnetfilter-conntrack3",
  "libnfnetlink0",
  "libnftnl11",
  "libssl3",
  "libxtables12",
  "libzstd1",
  "netbase",
] as const;

/**
 * The container runtime that travels along: the packages of its programs, and those of the libraries that they need. The
 * upstream versions were tested together; a security update of the distribution keeps them.
 */
export const RUNTIME = {
  versions: { "docker.io": "20.10.24", containerd: "1.6.20", runc: "1.1.5", iptables: "1.8.9" },
  packages: [
    "conntrack",
    "containerd",
    "docker.io",
    "iproute2",
    "ipset",
    "iptables",
    "kmod",
    "libbpf1",
    "libbsd0",
    "libc6",
    "libcap2",
    "libcom-err2",
    "libdevmapper1.02.1",
    "libelf1",
    "libgcrypt20",
    "libgpg-error0",
    "libgssapi-krb5-2",
    "libipset13",
    "libk5crypto3",
    "libkeyutils1",
    "libkrb5-3",
    "libkrb5support0",
    "liblz4-1",
    "liblzma5",
    "libmd0",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftnl11",
    "libnsl2",
    "libpcre2-8-0",
    "libseccomp2",
    "libselinux1",
    "libssl3",
    "libsystemd0",
    "libtirpc3",
    "libudev1",
    "libwrap0",
    "libxtables12",
    "libzstd1",
    "runc",
    "socat",
    "tini",
    "zlib1g",
  ],
} as const;

/** The infrastructure container: our own program (pause.c) under the version kubelet 1.20 expects. */
export const PAUSE = { version: "3.2" } as const;

/** Built by the Go module client; the checksum is the one `go.sum` files carry. */
export const COREDNS = {
  version: "1.8.7",
  module: "github.com/coredns/coredns",
  sum: "h1:wVMjAnyFnY7Mc18AFO+9qbGD6ODPtdVUIlzoWrHr3hk=",
} as const;

/** The load balancer of every node: it passes connections on to the API servers that are well. */
export const HAPROXY = {
  versions: { haproxy: "2.6.12" },
  packages: [
    "haproxy",
    "libc6",
    "libcap2",
    "libcrypt1",
    "libgcc-s1",
    "libgcrypt20",
    "libgpg-error0",
    "liblua5.3-0",
    "liblz4-1",
    "liblzma5",
    "libopentracing-c-wrapper0",
    "libopentracing1",
    "libpcre2-8-0",
    "libssl3",
    "libstdc++6",
    "libsystemd0",
    "libzstd1",
  ],
} as const;

/** What holds the virtual address of the masters, and what it asks the API server with. */
export const KEEPALIVED = {
  versions: { keepalived: "2.2.7", curl: "7.88.1" },
  packages: [
    "curl",
    "keepalived",
    "libblkid1",
    "libbrotli1",
    "libc6",
    "libcap2",
    "libcom-err2",
    "libcrypt1",
    "libcurl4",
    "libffi8",
    "libgcrypt20",
    "libglib2.0-0",
    "libgmp10",
    "libgnutls30",
    "libgpg-error0",
    "libgssapi-krb5-2",
    "libhogweed6",
    "libidn2-0",
    "libk5crypto3",
    "libkeyutils1",
    "libkrb5-3",
    "libkrb5support0",
    "libldap-2.5-0",
    "liblz4-1",
    "liblzma5",
    "libmnl0",
    "libmount1",
    "libnettle8",
    "libnftnl11",
    "libnghttp2-14",
    "libnl-3-200",
    "libnl-genl-3-200",
    "libnsl2",
    "libp11-kit0",
    "libpci3",
    "libpcre2-8-0",
    "libperl5.36",
    "libpsl5",
    "librtmp1",
    "libsasl2-2",
    "libselinux1",
    "libsensors5",
    "libsnmp40",
    "libssh2-1",
    "libssl3",
    "libsystemd0",
    "libtasn1-6",
    "libtirpc3",
    "libudev1",
    "libunistring2",
    "libwrap0",
    "libzstd1",
    "zlib1g",
  ],
} as const;

/** Built by the Go module client; the last minor version that was made with the libraries of Kubernetes 1.19 and 1.20. */
export const FLANNEL = {
  version: "0.15.1",
  module: "github.com/flannel-io/flannel",
  sum: "h1:9v5/fapXePDnXVsFBVnji4IeLoXcO81bO8nEbQioYVQ=",
} as const;

/** As REFLECT2: flannel names a release that crashes when it is built with Go 1.18 and up. */
export const FLANNEL_REFLECT2 = {
  version: "1.0.2",
  module: "github.com/modern-go/reflect2",
  sum: "h1:xBagoLtFs94CBntxluKeaWgTMpvLxC4ur3nMaC9Gz0M=",
} as const;
