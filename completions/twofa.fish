# Completion of twofa for fish. The words come from twofa itself.
complete --keep-order --exclusive --command twofa --arguments "(TWOFA_COMPLETE=fish twofa -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
