import { expect, test } from "bun:test";
import { accepts } from "../../../src/host/port.ts";

test("accepts() tells a port where somebody listens from one where nobody does", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  expect(await accepts({ host: "127.0.0.1", port })).toBe(true);
  server.stop(true);
  expect(await accepts({ host: "127.0.0.1", port })).toBe(false);
});
