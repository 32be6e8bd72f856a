import { dlopen, FFIType } from "bun:ffi";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** Bytes that the kernel takes for the name of a socket. */
const NAME_BYTES = 108;

/**
 * Tells systemd about this service, as sd_notify(3) does. Neither node nor Bun has datagrams on unix sockets, and a program
 * started for each message would not be the one that systemd listens to.
 *
 * @param socketPath what systemd gives as `NOTIFY_SOCKET`: a path, or `@` and an abstract name; undefined: nobody listens
 * @returns sends a state, for example `READY=1` or `STATUS=…`; several are separated by line feeds. It never throws and
 * never waits: a service must not fail because nobody hears it
 */
export function systemdNotifier(socketPath: string | undefined): (state: string) => void {
  const address = socketPath === undefined ? undefined : addressOf(socketPath);
  if (!address) return () => {};
  return (state) => {
    try {
      send(address, Buffer.from(state));
    } catch {
      // Told above.
    }
  };
}

/** A `sockaddr_un`, or undefined for what is none: systemd has addresses of other kinds, for virtual machines. */
function addressOf(socketPath: string): Buffer | undefined {
  if (!/^[/@]/.test(socketPath)) return undefined;
  const name = Buffer.from(socketPath);
  // The length says where an abstract name ends; a path ends with a zero.
  const abstract = socketPath.startsWith("@");
  if (abstract) name[0] = 0;
  const ended = abstract ? name : Buffer.concat([name, Buffer.from([0])]);
  if (ended.length > NAME_BYTES) return undefined;
  const family = Buffer.alloc(2);
  new Uint16Array(family.buffer, family.byteOffset, 1)[0] = AF_UNIX;
  return Buffer.concat([family, ended]);
}

function send(address: Buffer, message: Buffer): void {
  if (message.length === 0) return;
  const { i32, u64, i64, ptr, u32 } = FFIType;
  const libc = dlopen("libc.so.6", {
    socket: { args: [i32, i32, i32], returns: i32 },
    sendto: { args: [i32, ptr, u64, i32, ptr, u32], returns: i64 },
    close: { args: [i32], returns: i32 },
  });
  try {
    const { socket, sendto, close } = libc.symbols;
    const file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (file < 0) return;
    sendto(file, message, message.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length);
    close(file);
  } finally {
    libc.close();
  }
}
