# Where files go, and the .deb.
install(FILES systemd/keelson.service DESTINATION lib/systemd/system)
install(FILES systemd/keelson.sysctl.conf DESTINATION lib/sysctl.d RENAME 90-keelson.conf)
install(FILES systemd/keelson.tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME keelson.conf)
install(FILES systemd/config.yaml DESTINATION /etc/keelson)
install(DIRECTORY DESTINATION /etc/kubernetes/manifests)

# Called as kubelet it answers as kubelet: kubeadm asks it for its version, and its drop-in starts it.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/systemd)
file(CREATE_LINK ../sbin/keelson ${CMAKE_BINARY_DIR}/systemd/kubelet SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/systemd/kubelet DESTINATION bin)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME keelson)
set(CPACK_PACKAGE_CONTACT "Keelson maintainers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Kubernetes node agent in one small native daemon")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
# kubeadm depends on a kubelet of its minor version; two agents on one node would fight over it.
set(CPACK_DEBIAN_PACKAGE_PROVIDES "kubelet (= 1.36.0)")
set(CPACK_DEBIAN_PACKAGE_CONFLICTS kubelet)
set(CPACK_DEBIAN_PACKAGE_REPLACES kubelet)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
include(CPack)
