import { z } from "zod";
import { parseAddress } from "../config/net.ts";
import { dnsName } from "../config/grammar.ts";

/** The version of what masters and joiners say to each other; it is in every path. */
const V = "/v1";

/** Where a master answers what. */
export const routes = {
  /** The cluster's authority, for anybody: the token says whether it is the right one. */
  ca: `${V}/ca`,
  /** What the cluster is, for who has a token: changes nothing. */
  hello: `${V}/hello`,
  /** Certificates against requests, and what the node is. */
  join: `${V}/join`,
  /** For masters: the keys of the authorities, sealed. */
  secrets: `${V}/secrets`,
  /** The bundle, by ranges. */
  bundle: `${V}/bundle`,
  /** A node registers, or has its labels and taints changed. */
  node: `${V}/node`,
  /** A node goes, and is forgotten. */
  leave: `${V}/leave`,
  /** A master asks whether it is among the peers of this one's keepalived. */
  listed: `${V}/listed`,
  /** A node's certificates, anew. */
  renew: `${V}/renew`,
} as const;

const address = z.string().refine((text) => parseAddress(text)?.family === 4, "expected an IPv4 address");
const role = z.enum(["master", "worker"]);
const pem = z.string().max(16_384);
const csrs = z.record(z.string().regex(/^[a-z/-]{1,64}$/), pem);

const host = z.object({
  name: dnsName("node-1"),
  ip: address,
  machineId: z.string().regex(/^[0-9a-f]{32}$/),
});

/** Who asks, and which of its ports are to be tried from the master. */
export const helloRequest = host.extend({
  version: z.string().max(64),
  /** What the host is known by where an earlier run was interrupted. */
  key: z.string().max(64).optional(),
  /** Ports that the host listens on for this. */
  ports: z.array(z.number().int().min(1).max(65_535)).max(16),
});
export type HelloRequest = z.infer<typeof helloRequest>;

const peer = z.object({
  name: z.string(),
  ip: address,
  podCidr: z.string().optional(),
  master: z.boolean(),
});

/** What the cluster is. */
export const helloAnswer = z.object({
  version: z.string(),
  role,
  clusterId: z.string(),
  /** The master's clock, milliseconds since the epoch. */
  now: z.number(),
  peers: z.array(peer),
  /** Configuration that all nodes share. */
  config: z.record(z.string(), z.unknown()),
  /** The host's ports that the master reached. */
  reached: z.array(z.number()),
  /** sha256 of the index of the bundle that the masters are made from; empty without one at hand. */
  bundle: z.string(),
  /** Address that the master sees the host at. */
  seenAs: z.string(),
});
export type HelloAnswer = z.infer<typeof helloAnswer>;

/** A host that wants to be a node. */
export const joinRequest = host.extend({ role, csrs });
export type JoinRequest = z.infer<typeof joinRequest>;

/** What it gets. */
export const joinAnswer = z.object({ certificates: z.record(z.string(), pem), podCidr: z.string() });
export type JoinAnswer = z.infer<typeof joinAnswer>;

/** Texts by the place that they belong to on a master. */
export const secretFiles = z.record(z.string(), z.string());

/** What a master gets beside its certificates. */
export const secretsAnswer = z.object({ salt: z.string(), nonce: z.string(), data: z.string() });

/** How a node wants to be seen. */
export const nodeRequest = z.object({
  ip: address,
  labels: z.record(z.string(), z.string()),
  taints: z.array(z.object({ key: z.string(), value: z.string().optional(), effect: z.string() })),
});
export type NodeRequest = z.infer<typeof nodeRequest>;

/** Requests for certificates that end soon. */
export const renewRequest = z.object({ ip: address, csrs });
export const renewAnswer = z.object({ certificates: z.record(z.string(), pem) });

/** Whether the master that asks is among the peers of the keepalived of the one that answers. */
export const listedAnswer = z.object({ listed: z.boolean() });

/** An answer that says only that it was done. */
export const nothing = z.object({});

/** A refusal as it is sent. */
export const refusalAnswer = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });
