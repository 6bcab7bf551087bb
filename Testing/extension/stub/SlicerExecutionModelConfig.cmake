set(SlicerExecutionModel_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/vtkMacroKitPythonWrap.cmake)  # nothing
