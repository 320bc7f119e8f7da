/**
 * How much memory this process has asked malloc for and not given back: what native code forgets to free
 * shows in it exactly. The process's size (RSS) is another thing: it depends on what else the
 * machine does, and on when garbage is collected.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Fields of `struct mallinfo2` in glibc's malloc.h, all of them `size_t`. */
const fields = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks"];
const fieldCount = 10;
const mallinfo2 = {
  parameters: [],
  result: { struct: Array.from({ length: fieldCount }, () => "usize" as const) },
} as const;

/** Whether `nativeBytes` can tell, which takes glibc. */
export const countsNativeBytes = Deno.build.os === "linux";

let collectGarbage: (() => void) | undefined;

/** Bytes in use, those in memory of their own (mmap) among them, without what V8 has not swept yet. */
export function nativeBytes(): number {
  if (!collectGarbage) {
    setFlagsFromString("--expose-gc");
    collectGarbage = runInNewContext("gc") as () => void;
  }
  const libc = Deno.dlopen("libc.so.6", { mallinfo2 });
  try {
    // Twice: the first collection frees what the second one finds unused.
    collectGarbage();
    collectGarbage();
    const info = libc.symbols.mallinfo2();
    const values = new BigUint64Array(info.buffer, info.byteOffset, fieldCount);
    const read = (field: string) => Number(values[fields.indexOf(field)]);
    return read("uordblks") + read("hblkhd");
  } finally {
    libc.close();
  }
}
