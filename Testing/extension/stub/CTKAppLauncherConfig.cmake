include(${CMAKE_CURRENT_LIST_DIR}/CMake/ctkAppLauncher.cmake)
