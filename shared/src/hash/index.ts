export { hash64, hash64Low, prepareHash64, type SaltedHash64, unitHash } from './hash64.ts'
export { murmur3, murmur3OfBytes, print } from './murmur3.ts'
export {
  bucketCount,
  bucketOf,
  hashesBelow,
  hashSeeds,
  prepareSalt,
  type SaltedHash,
  type ScrambledUnit,
  saltedHash,
  scrambledHash,
  scrambleUnit,
  unitPrint,
  userBucket,
} from './salted-hash.ts'
