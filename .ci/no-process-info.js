// A pattern of files that tap does not note: all. tap sets it anew for each process, so it is set in each.
process.env._TAPJS_PROCESSINFO_EXCLUDE_ = '/./';
