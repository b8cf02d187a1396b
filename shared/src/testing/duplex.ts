import type { Clock, Random } from '../clock/index.ts'

/**
 * What the network does to frames; each a chance from 0 to 1. A stream neither loses nor repeats nor reorders anything by itself; what goes on
 * below a socket, in proxies and in a process that is halted for a while, may look so from above.
 */
export interface Weather {
  /** A connection attempt fails. */
  readonly refuse: number
  /** A frame is the last that gets through: the connection is lost after (or before) it. */
  readonly cut: number
  /** A frame arrives cut short. */
  readonly damage: number
  readonly delayMs: number
  /** A frame does not arrive. */
  readonly drop?: number
  /** A frame arrives twice. */
  readonly duplicate?: number
  /** A frame takes up to five times as long, and others overtake it. */
  readonly reorder?: number
}

export const fairWeather: Weather = { refuse: 0, cut: 0, damage: 0, delayMs: 1 }

/** Carries frames from one end of a connection to the other, through the weather of the moment in which each is sent. */
export function createDuplex(
  clock: Clock,
  random: Random,
  weather: () => Weather,
): (text: string, arrive: (text: string) => void) => void {
  return (text, arrive) => {
    const { delayMs, damage, drop = 0, duplicate = 0, reorder = 0 } = weather()
    // Drawn only where there is a chance, so that seeds of fairer weather stay what they were.
    const happens = (chance: number): boolean => chance > 0 && random() < chance
    if (happens(drop)) return
    const copies = happens(duplicate) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const late = happens(reorder) ? 5 * random() * Math.max(delayMs, 1) : 0
      clock.setTimer(delayMs + late, () =>
        arrive(happens(damage) ? text.slice(0, Math.floor(random() * text.length)) : text),
      )
    }
  }
}
