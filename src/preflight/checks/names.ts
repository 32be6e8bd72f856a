import type { Check } from "../check.ts";

/** Where NetworkManager would be told, and what. */
const UNMANAGED_FILE = "/etc/NetworkManager/conf.d/90-nodelet.conf";
const UNMANAGED = "[keyfile]\\nunmanaged-devices=interface-name:cni0;interface-name:veth*";

/** Programs that ask for the host's own name wait for a name server that is not there. */
export const hostnameUnresolved: Check = {
  code: "HostnameUnresolved",
  level: "warning",
  title: "the host's name has an address without a name server",
  run({ facts, node }) {
    const known = facts.hostsNames.includes(facts.hostname) || facts.knowsItself;
    // A name server may know it; it is not asked, since that would leave the host.
    if (known || facts.hostname === "" || facts.nameServers.length > 0) return [];
    return [
      {
        message: `The host's name "${facts.hostname}" is not in /etc/hosts, and /etc/resolv.conf has no name server; expected an address for it`,
        hint: `add the line "${node.ip} ${facts.hostname}" to /etc/hosts`,
      },
    ];
  },
};

/** It takes addresses and routes away from interfaces that it thinks are its own. */
export const networkManager: Check = {
  code: "NetworkManager",
  level: "warning",
  title: "NetworkManager leaves the interfaces of pods alone",
  unseen: ({ facts }) => (facts.activeUnits ? undefined : "systemd does not answer"),
  run({ facts }) {
    if (!facts.activeUnits?.has("NetworkManager.service")) return [];
    const left = {
      cni0: /interface-name:(cni0|cni\*)/.test(facts.unmanagedDevices),
      "veth*": /interface-name:veth\*|(type|driver):veth/.test(facts.unmanagedDevices),
    };
    const managed = Object.entries(left).flatMap(([name, unmanaged]) => (unmanaged ? [] : [name]));
    if (managed.length === 0) return [];
    return [
      {
        message: `NetworkManager may change the interfaces ${managed.join(" and ")} of pods; expected them in its unmanaged-devices`,
        hint: `run printf '${UNMANAGED}\\n' >${UNMANAGED_FILE} and systemctl reload NetworkManager`,
      },
    ];
  },
};

/** It writes routing rules for a cloud's addresses over and over, which send packets of pods elsewhere. */
export const nmCloudSetup: Check = {
  code: "NmCloudSetup",
  level: "warning",
  title: "nm-cloud-setup does not run",
  unseen: ({ facts }) => (facts.activeUnits ? undefined : "systemd does not answer"),
  run({ facts }) {
    const found = ["nm-cloud-setup.timer", "nm-cloud-setup.service"].filter((unit) =>
      facts.activeUnits?.has(unit),
    );
    if (found.length === 0) return [];
    return [
      {
        message: `${found.join(" and ")} is active, and writes routing rules of its own; expected it off`,
        hint: "run systemctl disable --now nm-cloud-setup.timer nm-cloud-setup.service and boot again",
      },
    ];
  },
};
