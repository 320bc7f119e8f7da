/**
 * What `CUDA_VISIBLE_DEVICES` says besides GPUs. CUDA knows numbers and names, and takes any other
 * word for no GPU; schedulers and container runtimes write a few of those words and mean them.
 */

/** Slurm writes NoDevFiles where a job has no GPU, NVIDIA's container runtime void or none. */
export function hidesAllGpus(visible: string): boolean {
  return /^(?:-1|nodevfiles|void|none)?$/i.test(visible.trim());
}

/** NVIDIA's container runtime means every GPU by it, where CUDA itself would see none. */
export function showsAllGpus(visible: string): boolean {
  return /^all$/i.test(visible.trim());
}
