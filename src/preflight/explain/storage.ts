import type { Explanations } from "./explanation.ts";

/** Disks, mounts and room. */
export const storage: Explanations = {
  MountOptions: {
    checked:
      "Options of the mounts that hold /opt/pf9/bin, /opt/cni/bin, the engine's data, /var/lib/kubelet and etcd's data, wherever symbolic links lead: not ro, and not noexec where programs are.",
    why: "Nothing can be written there, or the kubelet and the plugins cannot be started.",
    ways: [
      [
        "mount -o remount,rw,exec MOUNT",
        "Change it in /etc/fstab, or in the mount's unit, for the next boot.",
      ],
      ["Mount another file system on the directory."],
    ],
  },
  MountLimits: {
    checked: "nosuid and nodev where the engine keeps images, noexec on /var/lib/kubelet.",
    why: "Containers start, and then ping, sudo or scripts in an emptyDir fail in them.",
    ways: [
      ["mount -o remount,suid,dev,exec MOUNT", "Change it in /etc/fstab."],
      ["Go on, when no pod needs that."],
    ],
  },
  NotWritable: {
    checked:
      "As root, every place that nodelet writes to: /etc/pf9, /etc/systemd/system, /etc/sysctl.d, /etc/modules-load.d, /etc/cni, /opt, /var/opt/pf9, /var/log/pf9 and /var/lib/kubelet, or the directory that they will be made in.",
    why: "Units, settings, keys and logs cannot be written: init would stop in the middle.",
    ways: [
      ["On a read-only file system: mount -o remount,rw MOUNT, or mount a writable one on the place."],
      ["On an immutable directory: lsattr -d shows an i; chattr -i DIRECTORY."],
      ["On a system whose /etc is part of an image: make the place writable in the image."],
    ],
  },
  DataFileSystem: {
    checked:
      "The type of the file system that holds the engine's and etcd's data: not NFS, CIFS, FUSE, 9p and the like, and not memory.",
    why: "overlay2 does not work on another machine's disk, etcd loses data where a sync is none, and memory is empty after the next boot. A symbolic link to a disk is fine.",
    ways: [
      ["Mount a disk with ext4 or xfs there."],
      [
        "Use other directories: --etcd-data-dir, and --docker-data-dir or data-root in /etc/docker/daemon.json.",
      ],
    ],
  },
  SpaceLow: {
    checked:
      "Free space of each file system against what init will write there: images and programs of this bundle that are not on the host yet, with a fifth more, and 512 MiB for etcd. What is in one file system is added up.",
    why: "init would stop in the middle of loading images, with a full disk.",
    ways: [
      ["Make room: docker image prune, journalctl --vacuum-size=200M."],
      ["Give the file system more, or use another one: --docker-data-dir, --etcd-data-dir."],
    ],
  },
  StorageChecklist: {
    checked:
      "Free space before init against the storage checklist: 1 GiB for etcd, 10 GiB for the engine, and what storageChecklist of the configuration has, by path in GiB. What is in one file system is added up.",
    why: "init itself needs less, but images, logs and data of the application come later, and etcd stops when its disk is full.",
    ways: [
      ["Give the file system more."],
      [
        "Set other sizes, in /etc/pf9/nodelet/config.yaml or on the command line: --storage-checklist /var/lib/docker=5,/srv/app=40. 0 turns a line off.",
      ],
    ],
  },
  DiskFull: {
    checked: "The part of the engine's and of the kubelet's file systems that is used: less than 85 %.",
    why: "The kubelet marks a node with less than 15 % left for images, and ends pods on it. Such a node takes no pods, so there is no DNS either.",
    ways: [
      ["Make room: docker system prune, journalctl --vacuum-size=200M, or a larger file system."],
      [
        'Say yourself when the kubelet is to act: kubeletFlags: ["--eviction-hard=imagefs.available<5%,nodefs.available<5%"].',
      ],
    ],
  },
  DiskUsage: {
    checked: "The same as DiskFull, from 80 % on; on a node that runs, at any fill above.",
    why: "From 85 % on the kubelet ends pods, and a node whose disk is full may not come back by itself.",
    ways: [
      ["Make room: docker system prune, journalctl --vacuum-size=200M."],
      ["Give the file system more."],
    ],
    init: "The kubelet removes no image before 95 %, since nothing brings one back without a network.",
  },
  DiskSlow: {
    checked:
      "By nodelet preflight as root, not by init: 100 writes of 2 KiB, each synced (fdatasync), into a file without a name where etcd's data is or will be, for a second at most. The 99th percentile is to be 10 ms or less, as etcd's documentation wants it.",
    why: "Every change of the cluster waits for such a write. Above 100 ms etcd takes longer than its heartbeat: with several masters the leader is lost again and again.",
    ways: [
      ["Put etcd on an SSD that nothing else writes to: --etcd-data-dir."],
      ["Find what keeps the disk busy (iostat -x 1, iotop) and end it.", "Measure again: nodelet preflight."],
      ["Go on with a single node, and expect a slow API."],
    ],
  },
};
