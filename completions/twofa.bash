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

    # What stands behind the cursor may name the store; for that it is enough to split it at blanks.
    local -a later=()
    rest=${COMP_LINE:COMP_POINT}
    read -ra later <<<"${rest#"${rest%%[[:space:]]*}"}"

    # What the shell would make of the words: without quotes and backslashes. Of the word under the cursor, `before` is
    # what stands in front of an open quote, and `quote` that quote.
    local text quote= before= c
    for ((i = 0; i <= cword; i++)); do
        word=${words[i]} text= quote= before=
        while [[ -n $word ]]; do
            c=${word:0:1} word=${word:1}
            if [[ $c == "$quote" ]]; then
                quote=
            elif [[ -z $quote && $c == [\'\"] ]]; then
                quote=$c before=$text
            elif [[ $c == \\ && $quote != \' ]]; then
                text+=${word:0:1} word=${word:1}
            else
                text+=$c
            fi
        done
        words[i]=$text
    done

    local current=${words[cword]}
    local -a answers=()
    mapfile -t answers < <(
        TWOFA_COMPLETE=bash _CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$cword "${words[0]}" -- "${words[@]}" "${later[@]}" 2>/dev/null
    )

    # bash puts an answer in the place of what follows the last break; of a word with @ in it, the @ too is replaced.
    local keep=0
    if [[ -n $quote ]]; then
        keep=${#before}
    else
        for ((i = ${#current} - 1; i >= 0; i--)); do
            c=${current:i:1}
            if [[ $c == @ && $COMP_WORDBREAKS == *@* ]]; then
                keep=$i
                break
            elif [[ $c == [=:] && $COMP_WORDBREAKS == *"$c"* ]]; then
                keep=$((i + 1))
                break
            fi
        done
    fi

    COMPREPLY=()
    local answer home
    for answer in "${answers[@]}"; do
        [[ -n $answer ]] || continue
        answer=${answer:keep}
        # A name with a space in it, or a quote, is one word only when it is quoted; within quotes bash does that.
        # The home directory is one only without quotes.
        home=
        [[ $answer == '~/'* ]] && home='~/' answer=${answer:2}
        [[ -z $quote && $answer == *[!A-Za-z0-9_./@:=,+%-]* ]] && printf -v answer %q "$answer"
        COMPREPLY+=("$home$answer")
    done
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -o nosort -F _twofa twofa
