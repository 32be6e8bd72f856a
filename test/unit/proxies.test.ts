import { expect, test } from "bun:test";
import { forgetProxies } from "../../src/proxies.ts";

test("forgetProxies() forgets every spelling, and nothing else", () => {
  const env = {
    HTTPS_PROXY: "http://p",
    https_proxy: "http://p",
    HTTP_PROXY: "p",
    ALL_PROXY: "p",
    NO_PROXY: "x",
  };
  forgetProxies(env);
  expect(Object.keys(env)).toEqual(["NO_PROXY"]);
});

test("a program that has forgotten them asks nobody in between", async () => {
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("direct") });
  const proxies = `${import.meta.dir}/../../src/proxies.ts`;
  const script = (forget: string) =>
    `import { forgetProxies } from ${JSON.stringify(proxies)}; ${forget}
     console.log(await fetch("http://127.0.0.1:${server.port}/").then((one) => one.text(), () => "asked the proxy"))`;
  const ask = async (forget: string) => {
    // Port 9 discards: nobody listens there.
    const env = { HTTP_PROXY: "http://127.0.0.1:9" };
    const child = Bun.spawn([process.execPath, "-e", script(forget)], {
      env,
      stdout: "pipe",
      stderr: "inherit",
    });
    return (await new Response(child.stdout).text()).trim();
  };
  expect([await ask(""), await ask("forgetProxies(process.env)")]).toEqual(["asked the proxy", "direct"]);
});
