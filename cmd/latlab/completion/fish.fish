# latlab's completion for fish: ~/.config/fish/completions/latlab.fish
function __latlab_words
    set -l words (commandline -opc) (commandline -ct)
    set -l found (command $words[1] completion words -- $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c latlab -f -a '(__latlab_words)'
