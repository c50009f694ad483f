# latlab's completion for PowerShell: dot-source it in $PROFILE.
Register-ArgumentCompleter -Native -CommandName latlab -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -le $cursorPosition } | ForEach-Object { $_.Extent.Text })
    $given = @($words | Select-Object -Skip 1)
    # An empty last word is lost on the way to a program: two quotes stand for it.
    if ($wordToComplete -eq '') { $given += '""' }
    & $words[0] completion words -- @given 2>$null | ForEach-Object {
        $word, $text = $_ -split "`t", 2
        if (-not $text) { $text = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $text)
    }
}
