/** libvips by sharp, loaded with the first image: loading it takes as long as all of the package's own modules. */
export const loadSharp = async () => (await import('sharp')).default;
