export { binCount, binMiddle, decodeSketch, edgeAbove, LatencySketch } from './latency-sketch.ts'
