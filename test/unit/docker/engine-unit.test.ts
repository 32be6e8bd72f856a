import { describe, expect, test } from "bun:test";
import { renderEngineUnit } from "../../../src/docker/engine-unit.ts";

/** The variables of the unit, by name. */
const variablesOf = (imageRegistries: string[]) => {
  const lines = renderEngineUnit({ imageRegistries }).matchAll(/^Environment=(.*)$/gm);
  const words = [...lines].flatMap(([, line = ""]) => line.split(" "));
  return Object.fromEntries(words.map((word) => word.split(/=(.*)/s).slice(0, 2))) as Record<string, string>;
};

describe("renderEngineUnit()", () => {
  test("every registry is behind a proxy that is not there, and nobody is asked for its address", () => {
    expect(variablesOf([])).toMatchObject({
      HTTP_PROXY: "http://127.0.0.1:9",
      HTTPS_PROXY: "http://127.0.0.1:9",
      NO_PROXY: "localhost,127.0.0.0/8",
      GODEBUG: "netdns=cgo",
      RES_OPTIONS: "attempts:0",
    });
  });

  test("the site's own registries are reached, and their names are asked for", () => {
    const variables = variablesOf(["registry.site:5000", "10.0.0.7"]);
    expect(variables["NO_PROXY"]).toBe("localhost,127.0.0.0/8,registry.site:5000,10.0.0.7");
    expect(variables).not.toContainAnyKeys(["GODEBUG", "RES_OPTIONS"]);
  });

  test("starts the programs of the bundle before those of the host", () => {
    expect(variablesOf([])["PATH"]).toStartWith("/opt/pf9/bin:");
    expect(renderEngineUnit({ imageRegistries: [] })).toContain("\nExecStart=/opt/pf9/bin/dockerd\n");
  });
});
