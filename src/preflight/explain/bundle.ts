import type { Explanations } from "./explanation.ts";

const COPY_AGAIN = [
  "Compare the file with the one it was copied from: sha256sum on both sides.",
  "Copy it again, by another medium if it happens again.",
];

/** What a node is made from, and what the operator puts in place for it. */
export const bundle: Explanations = {
  Bundle: {
    checked:
      "That there is a bundle, it can be read, and somebody trusted has signed it: the one that --bundle names, else the one behind this program, else the one that an earlier init installed.",
    why: "Programs and images come from it; nothing is ever fetched from a network.",
    ways: [
      ["Name it: --bundle FILE."],
      ["Trust its maker: --trusted-key KEY, with the key from a source other than the bundle."],
      ["For a trial: --insecure-bundle takes one that nobody has signed."],
    ],
  },
  BundleNotAtHand: {
    checked:
      "That the bundle itself is there when this host lacks some of it; an installed node has at least its index.",
    why: "An index only says what is missing; it cannot bring it back.",
    ways: [["Name the bundle that the node was made from: --bundle FILE."]],
  },
  BundlePlatform: {
    checked: "The platform of the bundle against that of this program.",
    why: "Its programs and images do not run here.",
    ways: [["Get the bundle that was made for this platform."]],
  },
  BundleIncomplete: {
    checked:
      "That the bundle has the images pause, etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kube-proxy, and the programs kubelet and kubectl.",
    why: "Without one of them there is no node.",
    ways: [["Make the bundle again from a complete stack directory."]],
  },
  BundleNetworkPlugin: {
    checked:
      "That the bundle has what the network plugin is made of: for flannel its image; for calico, canal and weave the manifest of that name, which can be read, and every image that it names.",
    why: "Nothing is fetched from a network: without them no pod gets an address.",
    ways: [
      [
        "Add them to a bundle: nodelet bundle extract --to DIR, then nodelet bundle create --stack DIR --manifest calico=FILE --image FILE.",
      ],
      ["Take the plugin that every bundle has: --network-plugin bridge."],
    ],
  },
  BundleDamaged: {
    checked: "The content of the bundle that this host will use, against the digests of its signed index.",
    why: "The copy or its medium is damaged, or somebody changed it. Nothing of it is used.",
    ways: [COPY_AGAIN],
  },
  BundleFileMissing: {
    checked: "Every file of a stack directory that this host will use.",
    why: "The directory was not copied as a whole.",
    ways: [["Copy the whole directory again."]],
  },
  BundleFileSize: {
    checked: "The size of every file of a stack directory that this host will use, against its index.",
    why: "The copy was cut off, or is of another version.",
    ways: [COPY_AGAIN],
  },
  BundleFileDigest: {
    checked: "The sha256 of every file of a stack directory that this host will use, against its index.",
    why: "The copy or its medium is damaged, or somebody changed it. Nothing of it is used.",
    ways: [COPY_AGAIN],
  },
  Certificates: {
    checked:
      "Certificates and keys that are in /etc/pf9/kube.d/certs already: that they belong together, are valid now, and that what is missing can be issued.",
    why: "An authority that exists is never replaced, so one that cannot be used stops everything.",
    ways: [
      ["Put the right files there, as the finding says."],
      [
        "With an authority elsewhere: nodelet certs csr, have the requests signed, put each .crt beside its .csr, and run init.",
      ],
      ["When nobody needs them: move /etc/pf9/kube.d/certs away; init makes new ones."],
    ],
    init: "Without any file there, all authorities and certificates are made.",
  },
};
