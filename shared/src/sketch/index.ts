export { binCount, decodeSketch, edgeAbove, LatencySketch } from './latency-sketch.ts'
