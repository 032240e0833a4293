# Completion of twofa for fish. The words come from twofa itself.

function __twofa_candidates
    set -l line (commandline --current-process --tokenize --cut-at-cursor)
    set -l token (commandline --current-token --cut-at-cursor)
    # Without its quotes; an open one is closed first.
    set -l current (string unescape -- $token; or string unescape -- $token\'; or string unescape -- $token\"; or echo -- $token)
    # What stands behind the cursor is not known: fish does not tell.
    TWOFA_COMPLETE=fish $line[1] -- $line "$current" 2>/dev/null
end

complete --keep-order --exclusive --command twofa --arguments "(__twofa_candidates)"
