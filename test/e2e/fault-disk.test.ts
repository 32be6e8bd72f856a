// A disk that is full, before init and in the middle of it.
import { describe, expect } from "bun:test";
import {
  during,
  expectCleanReset,
  expectHealthy,
  expectRefusal,
  expectUnchanged,
  settleKernel,
} from "../lab/faults.ts";
import { initNode, BUNDLE, story } from "../lab/harness.ts";
import { type Snapshot, snapshot } from "../lab/snapshot.ts";

const INIT = `nodelet init --bundle ${BUNDLE}`;
const WAY_OUT = "free space on that file system and run the command again";

describe("init on a full disk", () => {
  let before: Snapshot;
  const { step } = story({ name: "e2e-fault-disk", ip: "10.88.0.162" }, async (node) => {
    await settleKernel(node);
    before = await snapshot(node.host);
  });

  step("is refused where Docker has no room for the images, and says how much is missing", (node) =>
    during(
      node,
      {
        begin:
          "systemctl stop docker.socket docker.service && mount -t tmpfs -o size=64m none /var/lib/docker && systemctl start docker",
        // systemd counts the starts, and there are more to come in this story.
        end: "systemctl stop docker.socket docker.service && umount /var/lib/docker && systemctl reset-failed docker && systemctl start docker",
      },
      () =>
        expectRefusal(node, {
          script: `${INIT} --storage-checklist /var/lib/docker=0`,
          exitCode: 3,
          // The disk that is so small here is memory, which is a finding of its own.
          stderr:
            /^error: Cannot go on: 2 preflight checks failed\n {2}\[DataFileSystem\] [^\n]+tmpfs[^\n]+\n[^\n]+\n {2}\[SpaceLow\] The file system of \/var\/lib\/docker has \d+ MiB free; expected \d+ MiB: \d+ MiB for images in \/var\/lib\/docker\n {4}make room for \d+ MiB more there: docker image prune, or a larger file system\n {2}nodelet explain CODE tells more\n$/,
        }),
    ),
  );

  // Certificates, kubeconfigs and manifests; and the journal and the state. The rest has room.
  const places = [
    {
      place: "/etc/pf9",
      args: [],
      says: /Cannot write "\/etc\/pf9\/[^"]+": no space left on the device\n/,
    },
    {
      place: "/var/opt/pf9",
      args: ["--etcd-data-dir", "/var/lib/nodelet-etcd"],
      says: /Cannot write (the journal )?"\/var\/opt\/pf9\/[^"]+": no space left on the device\n/,
    },
  ];
  for (const { place, args, says } of places) {
    step(
      `fails where ${place} is full, leaves no half file, and is completed when there is room`,
      async (node) => {
        await node.sh(
          `mkdir -p ${place} && mount -t tmpfs -o size=24k none ${place} && rm -f /run/nodelet.lock`,
        );
        const start = await snapshot(node.host);
        const done = await node.nodelet(["init", "--bundle", BUNDLE, ...args]);
        expect(done).toMatchObject({ exitCode: 1, stdout: "" });
        expect(done.stderr).toMatch(says);
        expect(done.stderr.endsWith(`\n  ${WAY_OUT}\n`)).toBe(true);
        // The kubelet's own store is its own affair.
        const halves = `find $(ls -d /etc/pf9 /var/opt/pf9 2>/dev/null) -path '*/dynamic-config/*' -prune -o \\( -name '*.tmp' -o -type f -empty \\) -print`;
        expect(await node.sh(halves)).toBe("");
        const whole = `for file in $(find /etc/pf9 -name '*.crt'); do openssl x509 -noout -in $file || exit 1; done
        for file in $(find /etc/pf9 -name '*.key'); do openssl pkey -noout -in $file || exit 1; done`;
        await node.sh(whole);
        await node.sh(`mount -o remount,size=64m ${place}`);
        await initNode(node, args);
        await expectHealthy(node);
        await expectCleanReset(node, start);
        await node.sh(`umount ${place} && rmdir /etc/pf9 2>/dev/null || true`);
        await expectUnchanged(node, before);
      },
    );
  }
});
