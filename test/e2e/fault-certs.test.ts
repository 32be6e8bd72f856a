// A second nodelet on a host, and certificates that are corrupt or of another cluster.
import { describe, expect } from "bun:test";
import { caDigest, expectHealthy, expectRefusal, preflightText, settleKernel } from "../lab/faults.ts";
import { BUNDLE, story } from "../lab/harness.ts";

const CERTS = "/etc/pf9/kube.d/certs";
const FOREIGN = "/dev/shm/foreign";

/** Another cluster's authority, and what it signed for the API server of that cluster. */
const MAKE_FOREIGN = `mkdir -p ${FOREIGN} && cd ${FOREIGN} &&
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=kubernetes-ca 2>/dev/null &&
openssl req -newkey rsa:2048 -nodes -keyout apiserver.key -out apiserver.csr -subj /CN=kube-apiserver 2>/dev/null &&
openssl x509 -req -in apiserver.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out apiserver.crt 2>/dev/null`;

const HINT = `put the right file back from a backup; or, to make a new authority that no other node knows, move "${CERTS}/ca.crt" and "${CERTS}/ca.key" away`;
const CORRUPT = preflightText([
  "Certificates",
  `Cannot use the certificate authority "${CERTS}/ca.crt": it is not a PEM certificate; expected the certificate of an authority`,
  HINT,
]);
const OTHERS = preflightText([
  "Certificates",
  `Cannot use the key of the certificate authority "${CERTS}/ca.key": it does not belong to the certificate; expected the key that the certificate is for`,
  HINT,
]);

describe("a host that another nodelet works on", () => {
  const { step } = story({ name: "e2e-fault-certs", ip: "10.88.0.157" }, async (node) => {
    await settleKernel(node);
    await node.sh(MAKE_FOREIGN);
  });

  step("refuses a corrupt authority before the first change", async (node) => {
    await node.sh(`mkdir -p -m 0700 ${CERTS} && head -c 300 ${FOREIGN}/ca.crt >${CERTS}/ca.crt`);
    await expectRefusal(node, {
      script: `nodelet init --bundle ${BUNDLE}`,
      exitCode: 3,
      stderr: CORRUPT,
    });
    await node.sh("rm -r /etc/pf9");
  });

  step("refuses every command that changes something, and says who is at work", async (node) => {
    const first = await node.spawnNodelet(["init", "--bundle", BUNDLE]);
    await node.sh(
      "timeout 60 bash -c 'until grep -q \"048-load-images start: begin\" /var/log/pf9/kube/kube.log; do sleep 0.01; done' 2>/dev/null",
    );
    for (const args of [
      ["init", "--bundle", BUNDLE],
      ["phases", "stop"],
      ["reset", "--yes"],
    ]) {
      expect(await node.nodelet(args)).toEqual({
        exitCode: 5,
        stdout: "",
        stderr: expect.stringMatching(
          new RegExp(
            `^error: Cannot start: another nodelet is at work on this host: pid ${first.pid}, "nodelet init", since \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z\\n  wait for it to end, or stop it with Ctrl-C where it runs\\n$`,
          ),
        ),
      });
    }
    expect(await first.exited).toBe(0);
    await expectHealthy(node);
  });

  step("never overwrites an authority that is corrupt or another one's", async (node) => {
    // It would work on what is broken here while the test looks; the next init starts it again.
    await node.sh("systemctl stop pf9-nodeletd");
    const good = await caDigest(node);
    await node.sh(`cp -p ${CERTS}/ca.crt /dev/shm/ca.crt`);
    for (const [bad, refusal] of [
      ["head -c 300 /dev/shm/ca.crt", CORRUPT],
      [`cat ${FOREIGN}/ca.crt`, OTHERS],
    ] as const) {
      await node.sh(`${bad} >${CERTS}/ca.crt`);
      const digest = await caDigest(node);
      const done = await node.nodelet(["init", "--bundle", BUNDLE]);
      expect(done).toEqual({ exitCode: 3, stdout: "", stderr: refusal });
      expect(await caDigest(node)).toBe(digest);
      expect(digest).not.toBe(good);
    }
    await node.sh(`cp -p /dev/shm/ca.crt ${CERTS}/ca.crt`);
    await expectHealthy(node);
  });

  step("issues a certificate of another cluster's authority anew, and the cluster works", async (node) => {
    await node.sh(
      `cat ${FOREIGN}/apiserver.crt >${CERTS}/apiserver.crt && cat ${FOREIGN}/apiserver.key >${CERTS}/apiserver.key`,
    );
    const done = await node.nodelet(["init", "--bundle", BUNDLE]);
    expect(done).toMatchObject({ exitCode: 0 });
    expect(await node.sh(`openssl verify -x509_strict -CAfile ${CERTS}/ca.crt ${CERTS}/apiserver.crt`)).toBe(
      `${CERTS}/apiserver.crt: OK`,
    );
    const issuer = `echo | openssl s_client -connect 127.0.0.1:6443 -CAfile ${CERTS}/ca.crt -verify_return_error 2>&1 | sed -n "s/^ *Verify return code: //p" | sort -u`;
    expect(await node.sh(issuer)).toBe("0 (ok)");
    await expectHealthy(node);
  });
});
