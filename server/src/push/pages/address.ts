import { isIPv4, isIPv6 } from 'node:net'

/**
 * Where a request comes from, as limits count it. Behind a proxy on this machine that is what the proxy says (the last of `X-Forwarded-For`);
 * anybody else could say anything. An IPv6 address counts as its /64, of which one household or machine has all.
 */
export function addressOf(remote: string | undefined, forwarded: string | undefined): string | undefined {
  const peer = remote?.replace(/^::ffff:(?=\d+\.)/i, '')
  if (peer === undefined) return undefined
  const isHere = peer === '::1' || peer.startsWith('127.')
  const told = forwarded?.split(',').at(-1)?.trim() ?? ''
  return networkOf(isHere && (isIPv4(told) || isIPv6(told)) ? told : peer)
}

function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.toLowerCase().split('%', 1)[0]?.split('::') ?? []
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const all = [...left, ...Array.from({ length: missing }, () => '0'), ...right]
  return `${all
    .slice(0, 4)
    .map((part) => Number.parseInt(part, 16).toString(16))
    .join(':')}::/64`
}
