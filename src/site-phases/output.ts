/** The longest line that is kept, in characters; what is longer is cut. */
const MAX_LINE = 1000;

/** Takes bytes as they come, and tells of each line; what is not UTF-8 becomes U+FFFD. */
export interface LineReader {
  add(bytes: Uint8Array): void;
  /** Tells of the last line when it had no line break. */
  end(): void;
}

/** Makes a reader that holds no more than one cut line, however long the output is. */
export function lineReader(onLine: (line: string) => void): LineReader {
  const decoder = new TextDecoder();
  let rest = "";
  let cut = false;
  const tell = () => {
    onLine(cut ? `${rest}…` : rest);
    rest = "";
    cut = false;
  };
  const take = (text: string) => {
    for (const [at, part] of text.split("\n").entries()) {
      if (at > 0) tell();
      const room = MAX_LINE - rest.length;
      cut ||= part.length > room;
      rest += part.slice(0, room);
    }
  };
  return {
    add: (bytes) => take(decoder.decode(bytes, { stream: true })),
    end() {
      take(decoder.decode());
      if (rest !== "") tell();
    },
  };
}

/** A line as a log or a terminal can show it: colours go, what is no text is written as its code. */
export function printable(line: string): string {
  return line
    .replace(/\u001b\[[\d;]*m/g, "")
    .trimEnd()
    .replace(/[^\P{C}\t]|[\p{Zl}\p{Zp}]/gu, (one) => {
      const code = one.codePointAt(0) ?? 0;
      return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
    });
}
