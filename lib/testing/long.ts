/** Whether tests are to try everything: `make netns FLATNET_LONG=1`. By default they try a sample of what takes minutes. */
export const LONG = process.env['FLATNET_LONG'] === '1'

/** Of the sweeps in which something happens at each system call, only those of this fault: `FLATNET_FAULT=errno`. */
export const isWanted = (fault: string): boolean => (process.env['FLATNET_FAULT'] ?? fault) === fault
