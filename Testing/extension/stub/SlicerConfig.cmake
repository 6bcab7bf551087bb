# Stands for the SlicerConfig.cmake of a built Slicer: what its macros read, without its libraries.
# STUB_SLICER and STUB_CTK are source trees of both, given by install_check.py.
set(Slicer_USE_FILE ${STUB_SLICER}/CMake/UseSlicer.cmake.in)
set(Slicer_CMAKE_DIR ${STUB_SLICER}/CMake)
set(Slicer_EXTENSIONS_CMAKE_DIR ${STUB_SLICER}/Extensions/CMake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${Slicer_CMAKE_DIR}/SlicerExtensionGenerateConfig.cmake)
set(Slicer_EXTENSION_CPACK ${Slicer_CMAKE_DIR}/SlicerExtensionCPack.cmake)
set(Slicer_PYTHON_MODULE_TEST_TEMPLATES_DIR ${STUB_SLICER}/Base/QTCore/Testing/Python)
set(CTK_CMAKE_DIR ${STUB_CTK}/CMake)
set(CTKAppLauncher_DIR ${CMAKE_CURRENT_LIST_DIR})
list(PREPEND CMAKE_MODULE_PATH
  ${Slicer_CMAKE_DIR} ${Slicer_EXTENSIONS_CMAKE_DIR} ${CTK_CMAKE_DIR} ${CMAKE_CURRENT_LIST_DIR})
include(${CTK_CMAKE_DIR}/ctkFunctionExtractOptimizedLibrary.cmake)

set(Slicer_REVISION 0)
set(Slicer_WC_ROOT https://github.com/Slicer/Slicer)
set(Slicer_ORGANIZATION_NAME "stub")
set(Slicer_OS linux)
set(Slicer_ARCHITECTURE amd64)
set(Slicer_MAIN_PROJECT_APPLICATION_NAME Slicer)
set(Slicer_LAUNCHER_EXECUTABLE Slicer)
set(Slicer_LAUNCH_COMMAND Slicer --launch)
set(SEM_LAUNCH_COMMAND Slicer --launch)
set(Slicer_USE_PYTHONQT ON)
set(Slicer_USE_CTKAPPLAUNCHER ON)
set(Slicer_ExternalData_DATA_MANAGEMENT_TARGET SlicerData)

set(Slicer_INSTALL_ROOT "./")
set(Slicer_SHARE_DIR share/Slicer-${STUB_VERSION})
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-${STUB_VERSION}/qt-scripted-modules)
set(Slicer_QTLOADABLEMODULES_LIB_DIR lib/Slicer-${STUB_VERSION}/qt-loadable-modules)
set(Slicer_CLIMODULES_LIB_DIR lib/Slicer-${STUB_VERSION}/cli-modules)

# Slicer_SKIP_*: what UseSlicer.cmake asks of compilers and C++ libraries
set(Slicer_SKIP_SlicerBlockPlatformCheck TRUE)
set(Slicer_SKIP_SET_CMAKE_C_CXX_FLAGS TRUE)

set(PYTHONINTERP_FOUND TRUE)
set(PYTHONLIBS_FOUND TRUE)
set(PYTHON_EXECUTABLE ${STUB_PYTHON})
set(PYTHON_LIBRARIES optimized python debug python)
