/** Version of this package; a test compares it with package.json. */
export const version = '0.1.0'

export const sdk: { readonly name: string; readonly version: string } = { name: 'sdk-browser', version }
