# Stands for the launcher that a built Slicer has.
function(ctkAppLauncherListToQtSettingsArray items name output)
  set(${output} "" PARENT_SCOPE)
endfunction()

function(ctkAppLauncherConfigureForExecutable)
endfunction()
