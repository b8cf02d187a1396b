/**
 * The SDK's sockets and timers let the process end. While somebody awaits it, the process has to stay: otherwise a program whose first
 * line is `await sdk.ready()` would end there.
 */
export async function keepAlive<T>(promise: Promise<T>): Promise<T> {
  const alive = setInterval(() => undefined, 60_000)
  try {
    return await promise
  } finally {
    clearInterval(alive)
  }
}
