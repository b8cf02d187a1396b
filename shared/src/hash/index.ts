export { murmur3 } from './murmur3.ts'
export {
  bucketCount,
  bucketOf,
  hashSeeds,
  prepareSalt,
  type SaltedHash,
  saltedHash,
  unitHash,
  userBucket,
} from './salted-hash.ts'
