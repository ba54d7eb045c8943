/** Whether tests are to try everything: `make netns FLATNET_LONG=1`. By default they try a sample of what takes minutes. */
export const LONG = process.env['FLATNET_LONG'] === '1'
