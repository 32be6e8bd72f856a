import type { CodeInfo } from "./check.ts";
import { checks } from "./checks.ts";

/** Findings about the bundle itself; there are none of them when there is no bundle. */
export const bundleCodes: readonly CodeInfo[] = [
  { code: "BundlePlatform", level: "error", title: "the bundle is for this platform" },
  { code: "BundleIncomplete", level: "error", title: "the bundle has all that a node is made of" },
  {
    code: "BundleNetworkPlugin",
    level: "error",
    title: "the bundle has what the network plugin is made of",
  },
  { code: "BundleDamaged", level: "error", title: "the bundle is undamaged" },
  { code: "BundleFileMissing", level: "error", title: "the bundle's files are there" },
  { code: "BundleFileSize", level: "error", title: "the bundle's files have their sizes" },
  { code: "BundleFileDigest", level: "error", title: "the bundle's files are undamaged" },
];

/** There is a bundle that can be opened. */
export const bundleCode: CodeInfo = {
  code: "Bundle",
  level: "error",
  title: "there is a bundle that can be read",
};

/** What the operator put in place for the PKI can be used. */
export const certificatesCode: CodeInfo = {
  code: "Certificates",
  level: "error",
  title: "the certificates that are there are good",
};

/** What a host that joins learns from the masters. */
export const joinCodes: readonly CodeInfo[] = [
  { code: "JoinVersion", level: "error", title: "the masters run the same nodelet" },
  { code: "JoinBundle", level: "error", title: "the masters are made from the same bundle" },
  { code: "ClockSkew", level: "warning", title: "the clock agrees with the masters'" },
  { code: "ClocksDiffer", level: "error", title: "the clock is within minutes of the masters'" },
  { code: "AddressSeen", level: "warning", title: "the masters see the host at its address" },
  { code: "PortsClosed", level: "error", title: "the masters reach the host" },
  { code: "MasterAway", level: "warning", title: "the host reaches every master" },
  { code: "MastersClosed", level: "error", title: "the host reaches a master" },
];

/** Nothing else can be asked of another system. */
export const notLinuxCode: CodeInfo = { code: "NotLinux", level: "error", title: "the host runs Linux" };

/** Every code that a finding can have, in the order in which findings are shown. */
export const allCodes: readonly CodeInfo[] = [
  notLinuxCode,
  ...checks,
  bundleCode,
  ...bundleCodes,
  certificatesCode,
  ...joinCodes,
].map(({ code, level, title }) => ({ code, level, title }));
