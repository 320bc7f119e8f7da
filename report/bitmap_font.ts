/**
 * Letters for pictures: printable ASCII in a 5 × 7 dot matrix with one row below the base line,
 * after the character generators of early LCD modules. Two hexadecimal digits are a column of dots from left to right, the lowest bit
 * at the top. Blank columns at the sides are dropped, so the spacing is proportional.
 */
export const GLYPH_ROWS = 8;

const GLYPHS = `
20 0000000000 ! 00005F0000 " 0007000700 # 147F147F14 $ 242A7F2A12 % 2313086462 & 3649552250
' 0005030000 ( 001C224100 ) 0041221C00 * 14083E0814 + 08083E0808 , 00B0700000 - 0808080808
. 0060600000 / 2010080402 0 3E5149453E 1 00427F4000 2 4261514946 3 2141454B31 4 1814127F10
5 2745454539 6 3C4A494930 7 0171090503 8 3649494936 9 064949291E : 0036360000 ; 00B6760000
< 0814224100 = 1414141414 > 0041221408 ? 0201510906 @ 324979413E A 7E1111117E B 7F49494936
C 3E41414122 D 7F4141221C E 7F49494941 F 7F09090901 G 3E4149497A H 7F0808087F I 00417F4100
J 2040413F01 K 7F08142241 L 7F40404040 M 7F020C027F N 7F0408107F O 3E4141413E P 7F09090906
Q 3E4151215E R 7F09192946 S 4649494931 T 01017F0101 U 3F4040403F V 1F2040201F W 3F4038403F
X 6314081463 Y 0708700807 Z 6151494543 [ 007F414100 \\ 0204081020 ] 0041417F00 ^ 0402010204
_ 4040404040 \` 0001020400 a 2054547840 b 7F48444438 c 3844444420 d 384444487F e 3854545418
f 087E090102 g 18A4A49C78 h 7F08040478 i 00447D4000 j 4080847D00 k 7F10284400 l 00417F4000
m 7C04180478 n 7C08040478 o 3844444438 p FC18242418 q 18242418FC r 7C08040408 s 4854545420
t 043F444020 u 3C40407C40 v 1C2040201C w 3C4030403C x 4428102844 y 4C9090907C z 4464544C44
{ 0008364100 | 00007F0000 } 0041360800 ~ 0804081008
`.trim().split(/\s+/);

const columnsOf = new Map<string, readonly number[]>();
for (let i = 0; i < GLYPHS.length; i += 2) {
  const columns = GLYPHS[i + 1].match(/../g)!.map((digits) => parseInt(digits, 16));
  const first = columns.findIndex((column) => column !== 0);
  const last = columns.findLastIndex((column) => column !== 0);
  if (GLYPHS[i] === "20") columnsOf.set(" ", [0, 0]);
  else columnsOf.set(GLYPHS[i], columns.slice(first, last + 1));
}

/** Columns of dots, bit 0 at the top; "?" for a character that is not ASCII. */
export function glyphColumns(character: string): readonly number[] {
  return columnsOf.get(character) ?? columnsOf.get("?")!;
}

/** Width in dots, with one blank column between characters. */
export function textColumns(text: string): number {
  let columns = 0;
  for (const character of text) columns += glyphColumns(character).length + 1;
  return Math.max(columns - 1, 0);
}
