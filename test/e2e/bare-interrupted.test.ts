// A bare host where something goes wrong on the way: a damaged or foreign bundle, the program killed, the disk full. Each is
// told before the first change, or the same command run again completes it.
import { describe, expect } from "bun:test";
import { expectHealthy, killInit, settleKernel } from "../lab/faults.ts";
import { initNode, story, type TestNode } from "../lab/harness.ts";
import { diff, type Snapshot, snapshot } from "../lab/snapshot.ts";
import { expectUndone } from "../lab/undone.ts";

const PROGRAM = "/usr/local/bin/nodelet";
const MIB = 2 ** 20;

/** What preflight says of one thing. */
const refusal = (code: string, message: string, hint: string) =>
  `error: Cannot go on: 1 preflight check failed\n  [${code}] ${message}\n    ${hint}\n  nodelet explain CODE tells more\n`;

/** Runs the words of a shell, and expects that they are refused. The lock file is empty of meaning once its holder is gone. */
async function expectWords(node: TestNode, script: string, stderr: string | RegExp): Promise<void> {
  const words = typeof stderr === "string" ? stderr : expect.stringMatching(stderr);
  const done = await node.host.exec([
    "bash",
    "-c",
    `cd /root; ${script}; code=$?; rm -f /run/nodelet.lock; exit $code`,
  ]);
  expect(done).toEqual({ exitCode: 3, stdout: "", stderr: words });
}

describe("a bundle that is not as it was made", () => {
  let before: Snapshot;
  let sizes: { size: number; programSize: number };
  let [site, developer] = ["", ""];
  const { step } = story({ name: "e2e-bare-damaged", ip: "10.89.0.24", bare: true }, async (node) => {
    await settleKernel(node);
    const inspected = JSON.parse(await node.sh("nodelet bundle inspect -o json"));
    sizes = inspected;
    developer = inspected.signedBy;
    const make = "nodelet bundle create --no-program";
    await node.sh(`cd /root; nodelet bundle keygen site; ${make} --bundle ${PROGRAM} --out plain.bundle
      ${make} --bundle ${PROGRAM} --out site.bundle --key site.key`);
    site = JSON.parse(await node.sh("nodelet bundle inspect --bundle /root/site.bundle -o json"))
      .signatures[0];
    before = await snapshot(node.host);
  });

  step("is refused with the damaged bytes, and what they are part of", async (node) => {
    // In the middle of the payload are the images.
    const at = sizes.programSize + 90 * MIB;
    await node.sh(`cp ${PROGRAM} /root/damaged; byte=$(od -An -tu1 -j${at} -N1 /root/damaged)
      printf "\\\\x$(printf %02x $((byte ^ 1)))" | dd of=/root/damaged bs=1 seek=${at} conv=notrunc status=none`);
    const { stderr } = await node.host.exec(["bash", "-c", "/root/damaged init; rm -f /run/nodelet.lock"]);
    const [, first, last, part] = /bytes (\d+)-(\d+), which are part of (\S+)/.exec(stderr) ?? [];
    expect([Number(first) <= at, at <= Number(last)]).toEqual([true, true]);
    expect(Number(last) - Number(first)).toBeLessThan(4 * MIB);
    expect(await node.sh("nodelet bundle list-images")).toContain(`/${part}:`);
    const message = `Bundle "/root/damaged" is damaged in bytes ${first}-${last}, which are part of ${part}`;
    const hint = "copy the bundle again; the copy or its medium is damaged";
    await expectWords(node, "./damaged init", refusal("BundleDamaged", message, hint));
    await node.sh("rm /root/damaged");
  });

  step("is refused when it is cut off, or when something follows its end", async (node) => {
    const cut = sizes.size - 100 * MIB;
    await node.sh(
      `cd /root; cp ${PROGRAM} cut; truncate -s ${cut} cut; cp ${PROGRAM} longer; echo garbage >>longer`,
    );
    const short = `Cannot use the bundle "/root/cut": it does not end as a bundle does after ${cut} bytes; it is cut off, or no bundle`;
    const again = "copy it again, and compare its size with the original's";
    await expectWords(node, "./cut init", refusal("Bundle", short, again));
    const long = `Cannot use the bundle "/root/longer": 8 bytes follow its end, which is at byte ${sizes.size}`;
    const trim = `truncate --size=${sizes.size} /root/longer`;
    await expectWords(
      node,
      "./longer init",
      refusal("Bundle", long, `cut them off: ${trim}; or copy it again`),
    );
    await node.sh(`${trim}; cmp /root/longer ${PROGRAM}; rm /root/cut /root/longer`);
  });

  step("is refused when nobody who is trusted has signed it", async (node) => {
    const who = (file: string, by: string) =>
      `Cannot trust the bundle "/root/${file}": ${by}; trusted keys: ${developer}`;
    const hint = "name the maker's key with --trusted-key FILE, or take it as it is with --insecure-bundle";
    const plain = who("plain.bundle", "nobody has signed it");
    await expectWords(node, "nodelet init --bundle plain.bundle", refusal("Bundle", plain, hint));
    const foreign = who("site.bundle", `it is signed by ${site}`);
    await expectWords(node, "nodelet init --bundle site.bundle", refusal("Bundle", foreign, hint));
  });

  step("was refused each time before anything was changed", async (node) => {
    expect(diff(before, await snapshot(node.host))).toEqual([]);
  });

  step("is taken unsigned when the operator says so, and with the key that he trusts", async (node) => {
    const plain = await node.nodelet([
      "init",
      "--bundle",
      "/root/plain.bundle",
      "--insecure-bundle",
      "--dry-run",
    ]);
    expect(plain).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/\d+ changes would be made; none was\.\n$/),
    });
    await initNode(node, ["--bundle", "/root/site.bundle", "--trusted-key", "/root/site.pub"]);
    await expectHealthy(node);
    // What it was made from is kept in mind, and so is the key.
    expect((await node.nodelet(["init"])).exitCode).toBe(0);
    await expectUndone(node, before);
  });
});

describe("a bare host", () => {
  let before: Snapshot;
  const disk = (size: string) => `mount -o loop /root/${size} /var/opt/pf9`;
  const { step } = story({ name: "e2e-bare-interrupted", ip: "10.89.0.25", bare: true }, async (node) => {
    await settleKernel(node);
    for (const size of ["700M", "3G"])
      await node.sh(`truncate -s ${size} /root/${size}; mkfs.ext4 -q /root/${size}`);
    await node.sh(disk("700M"));
    before = await snapshot(node.host);
  });

  step("is refused when its disk is known to be too small", async (node) => {
    const done = await node.nodelet([
      "init",
      "--storage-checklist",
      "/var/opt/pf9/docker=0,/var/opt/pf9/etcd/data=0",
    ]);
    expect(done).toEqual({
      exitCode: 3,
      stdout: "",
      stderr: expect.stringMatching(
        /^error: Cannot go on: 1 preflight check failed\n {2}\[SpaceLow\] The file system of \/var\/opt\/pf9\/docker has \d+ MiB free; expected [\d.]+ GiB: \d+ MiB for images in \/var\/opt\/pf9\/docker, \d+ MiB for etcd's data in \/var\/opt\/pf9\/etcd\/data\n/,
      ),
    });
    await node.sh("rm /run/nodelet.lock");
    expect(diff(before, await snapshot(node.host))).toEqual([]);
    await node.sh(`umount /var/opt/pf9; ${disk("3G")}`);
    before = await snapshot(node.host);
  });

  const moments = [
    { phase: "040-docker-configure", plusMs: 100 },
    { phase: "040-docker-configure", plusMs: 300 },
    { phase: "045-docker-start", plusMs: 50 },
    { phase: "048-load-images", plusMs: 200 },
    { phase: "048-load-images", plusMs: 900 },
  ];
  for (const moment of moments) {
    step(`goes on after a SIGKILL in ${moment.phase}, ${moment.plusMs} ms after its begin`, async (node) => {
      const { open } = await killInit(node, moment);
      expect(open).toContain(moment.phase);
      expect(diff(before, await snapshot(node.host)).length).toBeGreaterThan(0);
    });
  }

  step("says so when its disk is full in the middle of loading, and has no half images", async (node) => {
    const running = await node.spawnNodelet(["init", "--verbose"]);
    for await (const { text } of running.lines) {
      if (!text.includes("phase 048-load-images start: begin")) continue;
      await node.sh(
        "fallocate -l $(($(df --output=avail -B1 /var/opt/pf9 | tail -1) - 60000000)) /var/opt/pf9/fill",
      );
    }
    expect(await running.exited).toBe(1);
    const end = running.output().split("\n").slice(-2);
    expect(end[0]).toMatch(
      /^error: Cannot start the phase "048-load-images" \(.+\): Cannot load the image "nodelet\.local\/.+": Docker says: .*no space left on device$/,
    );
    expect(end[1]).toBe("  free space on the file system of Docker's data and run the command again");
    const { stdout } = await node.nodelet(["bundle", "list-images", "-o", "json"]);
    const whole = (JSON.parse(stdout) as { reference: string; imageId: string }[]).map(
      ({ reference, imageId }) => `${reference} ${imageId}`,
    );
    const found = await node.sh("docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'");
    expect(found.split("\n").filter((line) => !whole.includes(line))).toEqual([]);
    expect(found.split("\n").length).toBeLessThan(whole.length);
  });

  step(
    "is completed by the same command when there is room, with everything as it is in the bundle",
    async (node) => {
      await node.sh("rm /var/opt/pf9/fill");
      await initNode(node);
      await expectHealthy(node);
      expect(await node.sh("find /opt /etc /var/opt/pf9/nodelet -name '*.nodelet.tmp'")).toBe("");
      await node.sh(
        "nodelet bundle extract --to /root/stack && cmp /root/stack/runtime/bin/dockerd /opt/pf9/bin/dockerd",
      );
      const differ = await node.sh(
        "cd /root/stack/runtime && find . -type f -exec sh -c 'cmp -s $1 /opt/pf9/$1 || echo $1' sh {} ';'; rm -r /root/stack",
      );
      expect(differ).toBe("");
    },
  );

  step("is afterwards as it was", (node) => expectUndone(node, before));
});
