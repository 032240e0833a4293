# Completion of twofa for bash 4.4 and later.
#
# bash splits a word at @ : = before a completion sees it, so that alice@example.org comes as three words. This joins
# what stood together on the line, asks twofa, and cuts from each answer what bash will keep of the word by itself.

_twofa() {
    local IFS=$' \t\n'
    local -a words=()
    local cword=0 i rest=${COMP_LINE:0:COMP_POINT} word gap

    # Walk along the line: a piece that follows the one before it without a space belongs to the same word.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        gap=${rest%%[![:space:]]*}
        rest=${rest:${#gap}}
        if ((i == COMP_CWORD)); then
            # Only what stands before the cursor counts.
            word=$rest
        fi
        if ((i == 0)) || [[ -n $gap ]] || [[ -z $word && $COMP_CWORD -eq $i && ${COMP_LINE:COMP_POINT-1:1} == [[:space:]] ]]; then
            words+=("$word")
        else
            words[${#words[@]} - 1]+=$word
        fi
        rest=${rest:${#word}}
    done
    cword=$((${#words[@]} - 1))

    local current=${words[cword]}
    local -a answers=()
    mapfile -t answers < <(
        TWOFA_COMPLETE=bash _CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$cword "${words[0]}" -- "${words[@]}" 2>/dev/null
    )

    # bash puts an answer in the place of what follows the last break.
    local keep=0
    for ((i = ${#current} - 1; i >= 0; i--)); do
        if [[ $COMP_WORDBREAKS == *"${current:i:1}"* ]]; then
            keep=$((i + 1))
            break
        fi
    done

    COMPREPLY=()
    local answer
    for answer in "${answers[@]}"; do
        [[ -n $answer ]] || continue
        answer=${answer:keep}
        # A name with a space in it, or a quote, is one word only when it is quoted.
        [[ $answer == *[!A-Za-z0-9_./@:=,+%-]* ]] && printf -v answer %q "$answer"
        COMPREPLY+=("$answer")
    done
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -o nosort -F _twofa twofa
