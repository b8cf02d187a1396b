export { hash64, hash64Low, prepareHash64, type SaltedHash64, unitHash } from './hash64.ts'
export { murmur3 } from './murmur3.ts'
export {
  bucketCount,
  bucketOf,
  hashSeeds,
  prepareSalt,
  type SaltedHash,
  saltedHash,
  userBucket,
} from './salted-hash.ts'
