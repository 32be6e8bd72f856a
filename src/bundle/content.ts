/** Content that is read piece by piece, from the beginning; any number of times. */
export interface Content {
  /** Bytes that the pieces come to. */
  readonly size: number;
  /** The file that holds just this content, where there is one: it can be copied without a byte passing through us. */
  readonly file?: string;
  /** The pieces, each good until the next one is asked for. @throws AppError when the source is damaged or cannot be read */
  stream(): AsyncIterable<Uint8Array>;
}

/** A file as content. */
export function fileContent(file: string, size: number): Content {
  return { file, size, stream: () => Bun.file(file).stream() as unknown as AsyncIterable<Uint8Array> };
}

/** The same content, telling of every piece how many bytes it has; of a file it tells nothing, for it stays one. */
export function counted(content: Content, onBytes: (bytes: number) => void): Content {
  if (content.file) return content;
  return {
    size: content.size,
    async *stream() {
      for await (const piece of content.stream()) {
        onBytes(piece.length);
        yield piece;
      }
    },
  };
}
