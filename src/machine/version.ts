import packageFile from '../../package.json' with { type: 'json' };

/** From package.json, which the compiled binary carries. */
export const VERSION: string = packageFile.version;
