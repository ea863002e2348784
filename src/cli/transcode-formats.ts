// The formats that need ffmpeg, apart from what loads it.

export const TRANSCODED_FORMATS = ['mp3', 'flac', 'ogg', 'opus', 'm4a'] as const;
export type TranscodedFormat = (typeof TRANSCODED_FORMATS)[number];
export type ExportFormat = 'wav' | TranscodedFormat;
