import { paths } from "../paths.ts";

/** What a master needs beside what it makes itself: the authorities with their keys, the pair for tokens, the key for stored secrets. */
export const SECRET_FILES = [
  ...[
    "ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "sa.key",
    "sa.pub",
  ].map((name) => `${paths.certs}/${name}`),
  `${paths.configs}/encryption.yaml`,
];
