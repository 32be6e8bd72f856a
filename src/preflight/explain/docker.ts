import type { Explanations } from "./explanation.ts";

/** The container engine. */
export const docker: Explanations = {
  DockerMissing: {
    checked:
      "That systemd has the unit docker.service and may start it. Not asked when the bundle's own engine is used.",
    why: "etcd, kube-proxy and all pods are containers of this engine.",
    ways: [
      ["Use a bundle that brings a container runtime; nodelet then needs no Docker on the host."],
      ["Install Docker 19.03 or later: apt-get install docker.io on Debian and Ubuntu."],
      ["When the unit is masked: systemctl unmask docker.service docker.socket."],
    ],
    init: "A Docker that is installed and does not run is started and enabled; reset puts that back. None is ever upgraded.",
  },
  EngineTwice: {
    checked: "That no Docker of the host runs where the bundle's container engine is to be used.",
    why: "Both listen on /run/docker.sock; which one answers would be chance, at every boot anew.",
    ways: [
      ["Use the host's Docker: nodelet init --container-runtime host (or leave the flag out: auto does so)."],
      [
        "Stop the host's Docker when nothing else needs it: systemctl disable --now docker.service docker.socket.",
        "Run nodelet init --container-runtime bundled again.",
      ],
    ],
    init: "With auto, a host that has Docker keeps it, and the bundle's engine is not installed.",
  },
  DockerTooOld: {
    checked: "The version that the running Docker tells; expected 19.03 or later.",
    why: "Older engines lack options of the containers that nodelet runs.",
    ways: [["Upgrade the packages of Docker.", "Run nodelet preflight again."]],
  },
  DockerSnap: {
    checked: "Whether /var/snap/docker exists.",
    why: "A snap sees only some directories of the host: containers cannot be given /etc/pf9 and /opt/pf9, and it has no docker.service.",
    ways: [
      [
        "Save what you need of its images: docker save.",
        "Run snap remove --purge docker.",
        "Install Docker from a package, or use a bundle that brings a container runtime.",
      ],
    ],
  },
  DaemonJsonInvalid: {
    checked: "/etc/docker/daemon.json; expected no file, or a JSON object.",
    why: "nodelet adds to it (log limits, live restore, cgroup driver), and Docker itself does not start with a damaged one.",
    ways: [
      ["Correct it; python3 -m json.tool /etc/docker/daemon.json names the place."],
      ["Remove it when nobody needs it."],
    ],
    init: "Keys that nodelet needs are added, everything else stays, and reset puts the file back as it was.",
  },
  DockerFlags: {
    checked: "The command line of dockerd for --live-restore, --log-driver and --log-opt.",
    why: "Docker does not start with a setting both on its command line and in daemon.json, where nodelet writes these.",
    ways: [
      [
        "Take them from the unit: systemctl edit --full docker.service.",
        "Write them to /etc/docker/daemon.json.",
        "Run systemctl restart docker.",
      ],
    ],
  },
  CgroupDriverMismatch: {
    checked:
      "dockerCgroupDriver of the configuration, the driver that Docker runs with, where it is set, and whether others' containers run with it.",
    why: "Docker and the kubelet must use the same one, and containers that run do not survive a change.",
    ways: [
      ["Set --docker-cgroup-driver to auto: the kubelet then takes Docker's."],
      [
        "Take native.cgroupdriver from dockerd's command line, or stop the containers that the finding names.",
        "Run init again.",
      ],
    ],
    init: "With auto nothing is changed; otherwise the driver is written to daemon.json and Docker is restarted.",
  },
  StorageDriver: {
    checked: "The storage driver of the running Docker; aufs, devicemapper and vfs are told.",
    why: "aufs is not in current kernels, devicemapper was given up, and vfs copies every layer as a whole.",
    ways: [
      [
        'Set "storage-driver": "overlay2" in /etc/docker/daemon.json.',
        "Run systemctl restart docker.",
        "Load images that were there before anew.",
      ],
    ],
  },
};
