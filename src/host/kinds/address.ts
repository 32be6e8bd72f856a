import type { Kind } from "../kind.ts";
import type { Machine } from "../machine.ts";

/** An IPv4 address that a program we start adds to an interface, with a prefix of 32. */
export interface AddressWanted {
  interface: string;
  address: string;
}

/** Claims of addresses: whoever added one may end without taking it back. */
export const addressKind: Kind<AddressWanted, { present: boolean }> = {
  key: (wanted) => `${wanted.interface} ${wanted.address}`,
  read: async (machine, wanted) => ({ present: await hasAddress(machine, wanted) }),
  same: () => true,
  async apply() {},
  async restore(machine, { key, before }) {
    const [name = "", address = ""] = key.split(" ");
    if (!before.present) await dropAddress(machine, { interface: name, address });
  },
  describe: () => ({ from: "", to: "" }),
};

/** Takes an address from its interface. @returns "unchanged" when it was not there */
export async function dropAddress(
  machine: Pick<Machine, "run">,
  one: AddressWanted,
): Promise<"changed" | "unchanged"> {
  if (!(await hasAddress(machine, one))) return "unchanged";
  // It may be gone by itself meanwhile.
  await machine.run(["ip", "address", "del", `${one.address}/32`, "dev", one.interface], { check: false });
  return "changed";
}

/** True when the interface has the address. */
export async function hasAddress(
  machine: Pick<Machine, "run">,
  { interface: name, address }: AddressWanted,
): Promise<boolean> {
  const words = ["ip", "-oneline", "-4", "address", "show", "dev", name, "to", `${address}/32`];
  const { exitCode, stdout } = await machine.run(words, { check: false });
  return exitCode === 0 && stdout.trim() !== "";
}
