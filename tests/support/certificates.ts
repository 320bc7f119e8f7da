/** Certificates for tests, made anew by openssl: nothing secret is kept. */

/** @returns false where there is no openssl, or it fails */
export async function openssl(folder: string, args: readonly string[]): Promise<boolean> {
  try {
    const command = new Deno.Command("openssl", { args: [...args], cwd: folder, stderr: "null" });
    return (await command.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** An authority, `ca.pem`, and what it signed for 127.0.0.1: `cert.pem` with its `key.pem`. */
export async function certificates(folder: string): Promise<boolean> {
  await Deno.writeTextFile(
    `${folder}/san`,
    "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
  );
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const steps = [
    ["req", "-x509", ...key, ..."-days 2 -subj /CN=Test -keyout ca.key -out ca.pem".split(" ")],
    ["req", ...key, ..."-subj /CN=server -keyout key.pem -out csr.pem".split(" ")],
    ("x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san " +
      "-out cert.pem").split(" "),
  ];
  for (const step of steps) if (!await openssl(folder, step)) return false;
  return true;
}
