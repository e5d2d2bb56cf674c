/**
 * Wait until `probe` stops throwing, or give its last error back at the deadline. This is how a test waits for
 * something that another part does in its own time: it never sleeps a fixed time and hopes.
 */
export async function eventually<T>(probe: () => T | Promise<T>, deadlineMs = 15_000): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (performance.now() >= end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
